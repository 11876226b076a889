-- one row per run whose outcome has been looked at
create table if not exists handled_runs (
    run_id text primary key,
    storage_id integer not null
);

-- one row per subject that is not well
create table if not exists open_subjects (
    subject text primary key,
    fingerprint text not null,
    what text not null,
    severity text not null,
    since text not null,
    told_at text not null,
    repeated integer not null
);

-- one row per message and target; kept for a while when delivered
create table if not exists deliveries (
    delivery integer primary key autoincrement,
    alert text not null,
    target text not null,
    attempts integer not null default 0,
    retry_at text,
    last_error text,
    delivered_at text
);

create index if not exists waiting_deliveries on deliveries (target, delivery)
where delivered_at is null;

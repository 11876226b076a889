-- Reads nodes and edges; makes components, one row per node with the smallest node of its component.
create table components as
with recursive links as (
    select anchor as one, record_key as other from edges
    union all
    select record_key as one, anchor as other from edges
),

reached (node, component) as (
    select node, node as component from nodes
    union
    select links.other as node, reached.component
    from reached
    inner join links on links.one = reached.node
    where reached.component < links.other
)

select node, min(component) as component
from reached
group by node;

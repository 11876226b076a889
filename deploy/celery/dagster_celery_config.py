"""How the workers use Celery; dagster_celery imports a module of this name when it is on the path.

Broker and results must be those of dagster.yaml, so both files read the same variables. It is a
Python module rather than dagster-celery's YAML, because ``dagster-celery worker start`` writes a
copy of that, password included, and stands between systemd and Celery: a stop would cut off runs.
"""

import os

broker_url = os.environ["CELERY_BROKER_URL"]
result_backend = os.environ["CELERY_RESULT_BACKEND"]
broker_connection_retry_on_startup = True

# Loaded once, before a process is forked for each run: a run then starts in a second, and still
# reads the settings file anew.
imports = ("emarsys_pipeline.definitions",)
worker_max_tasks_per_child = 1

# A worker takes a run only when it has a slot for it, so none waits here while another is idle.
worker_prefetch_multiplier = 1
worker_disable_prefetch = True

# Else what a run prints goes to the worker's log and not to Dagster's.
worker_redirect_stdouts = False

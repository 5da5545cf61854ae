"""Renews the staging database every night in Airflow 2.4 or later, with the Docker provider.

The image is the one of docker/Dockerfile; /etc/dbsynth on the worker holds shop.toml, /var/lib/dbsynth (owned by user
10001) what was learned. The passwords are Airflow variables, which it masks in its logs.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow import DAG
from airflow.providers.docker.operators.docker import DockerOperator
from docker.types import Mount

with DAG(
    dag_id="dbsynth_shop",
    schedule="0 3 * * *",
    start_date=datetime(2025, 1, 1),
    catchup=False,
    max_active_runs=1,
) as dag:
    DockerOperator(
        task_id="refresh",
        image="dbsynth:latest",
        command=["refresh", "--json", "--bundle", "/data/shop.bundle", "--metrics", "/data/shop.prom",
                 "/etc/dbsynth/shop.toml"],
        private_environment={
            "SOURCE_PASSWORD": "{{ var.value.dbsynth_source_password }}",
            "TARGET_PASSWORD": "{{ var.value.dbsynth_target_password }}",
        },
        mounts=[
            Mount("/etc/dbsynth", "/etc/dbsynth", type="bind", read_only=True),
            Mount("/data", "/var/lib/dbsynth", type="bind"),
        ],
        mount_tmp_dir=False,
        auto_remove="force",
        retries=2,  # a run that was killed is taken up where it was
        retry_delay=timedelta(minutes=10),
        execution_timeout=timedelta(hours=4),
    )  # fmt: skip

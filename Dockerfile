# Serves a registered model over HTTP, without torch and without this repository. The folder `model` is made first
# (docs/serve.md): mlflow artifacts download --artifact-uri models:/lexipix-generator@champion --dst-path model
#   docker build -t lexipix .
#   docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:5001:5001 lexipix

# The Python version that `model/python_env.yaml` names
ARG PYTHON=3.11
FROM python:${PYTHON}-slim

ENV DO_NOT_TRACK=1 \
    HOME=/tmp \
    MLFLOW_DISABLE_TELEMETRY=true \
    MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR=false \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONWARNINGS=ignore \
    UVICORN_LIMIT_CONCURRENCY=64

# Before the model itself: a new model with the same versions takes this layer from the cache
COPY model/requirements.txt /srv/requirements.txt
RUN python -m pip install --no-cache-dir --disable-pip-version-check -r /srv/requirements.txt

COPY model /srv/model
RUN useradd --no-create-home --uid 10001 lexipix
USER 10001

EXPOSE 5001
HEALTHCHECK --start-period=60s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:5001/ping', timeout=3)"]
# All addresses of the container; `docker run -p` decides which of the machine's lead to it
CMD ["mlflow", "models", "serve", "-m", "/srv/model", "--env-manager", "local", "--host", "0.0.0.0", "--port", "5001"]

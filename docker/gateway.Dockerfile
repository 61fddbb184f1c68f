# The gateway: REST API, console, job records. Has no torch. Build from the repository's root.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE}

RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin cdmt \
 && install -d -o cdmt -g cdmt -m 700 /data

# What the project needs, in a layer of its own that a change of our code leaves alone.
WORKDIR /app
COPY pyproject.toml requirements.lock README.md LICENSE ./
RUN pip install --no-cache-dir --constraint requirements.lock ".[service]"

COPY model model
COPY service service

USER cdmt
ENV CDMT_DATA_DIR=/data PYTHONPATH=/app PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
CMD ["python3", "-m", "service"]

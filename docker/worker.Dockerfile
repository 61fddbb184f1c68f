# The worker: takes jobs from one queue and runs the model. Build from the repository's root.
# To pin the base to what you have examined: --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
RUN python3 -m venv /opt/venv && python3 -m venv /opt/tools
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# Empty: torch's CPU build. For a GPU, say where its build is, such as https://download.pytorch.org/whl/cu130.
ARG TORCH_INDEX=
WORKDIR /app
COPY scripts/install_torch.sh scripts/install_torch.sh
COPY pyproject.toml requirements.lock README.md LICENSE ./
RUN TORCH_INDEX=${TORCH_INDEX} scripts/install_torch.sh /opt/venv/bin/python \
 && /opt/venv/bin/pip install --constraint requirements.lock ".[private,worker]" \
 && /opt/venv/bin/pip uninstall --yes pip \
 && rm -rf build cdmt_ehr.egg-info /opt/venv/lib/python3*/site-packages/*/include \
 && find /opt/venv -type d -name tests -prune -exec rm -rf {} +
RUN /opt/tools/bin/pip install --constraint requirements.lock cyclonedx-bom \
 && /opt/tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
      --output-file sbom.cdx.json /opt/venv/bin/python

COPY model model
COPY scripts/build_engine.sh scripts/build_engine.sh
RUN scripts/build_engine.sh python3
COPY service service
COPY worker worker
RUN python3 -m compileall -q model service worker


FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="CDMT-EHR worker" \
      org.opencontainers.image.description="Trains, generates and evaluates for a service that generates synthetic ICU cohorts" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"

RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin cdmt \
 && install -d -o cdmt -g cdmt -m 700 /data

COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app

WORKDIR /app
USER 10001:10001
ENV CDMT_DATA_DIR=/data HOME=/tmp PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app PYTHONUNBUFFERED=1
VOLUME /data
# An idle worker has a heartbeat every 45 s, a busy one every 5 s.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["sh", "-c", "test -n \"$(find /tmp/heartbeat -mmin -2)\""]
ENTRYPOINT ["python3", "-m", "worker", "--heartbeat-file", "/tmp/heartbeat", "--shutdown-seconds", "40"]
CMD ["--queue", "generate"]

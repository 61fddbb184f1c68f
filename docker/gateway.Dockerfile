# The gateway: REST API and job records. Has no torch. Build from the repository's root.
# To pin the base to what you have examined: --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
RUN python3 -m venv /opt/venv && python3 -m venv /opt/tools
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# What the project needs, in a layer of its own that a change of our code leaves alone. The image's list of its own
# parts (CycloneDX) is written by a tool that does not get into it, nor do pip, libraries' own tests and their headers.
WORKDIR /app
COPY pyproject.toml requirements.lock README.md LICENSE ./
RUN /opt/venv/bin/pip install --constraint requirements.lock ".[service]" \
 && /opt/venv/bin/pip uninstall --yes pip setuptools \
 && rm -rf build cdmt_ehr.egg-info /opt/venv/lib/python3*/site-packages/*/include \
 && find /opt/venv -type d -name tests -prune -exec rm -rf {} +
RUN /opt/tools/bin/pip install --constraint requirements.lock cyclonedx-bom \
 && /opt/tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
      --output-file sbom.cdx.json /opt/venv/bin/python

COPY docker/redis.acl docker/redis.acl
COPY model model
COPY service service
COPY client/src/cdmt_client cdmt_client
RUN python3 -m compileall -q cdmt_client model service


FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="CDMT-EHR gateway" \
      org.opencontainers.image.description="REST API of a service that generates synthetic ICU cohorts" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"

# The folders are there for the volumes that are mounted over them: a new volume takes over its folder's owner.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin cdmt \
 && install -d -o cdmt -g cdmt -m 700 /data \
 && install -d -o cdmt -g cdmt -m 755 /secrets /secrets/gateway /secrets/worker /secrets/redis

COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app

WORKDIR /app
USER 10001:10001
ENV CDMT_DATA_DIR=/data HOME=/tmp PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["python3", "-m", "service.health"]
CMD ["python3", "-m", "service"]

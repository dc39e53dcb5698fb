#!/usr/bin/env bash
# An S3 server on this machine for development: nanio over .cache/s3, with one bucket and throwaway keys.
set -euo pipefail
cd "$(dirname "$0")/.."
BIN=${BIN:-.venv/bin}
PORT=${PORT:-9000}
export NANIO_ACCESS_KEY=development NANIO_SECRET_KEY=development
mkdir -p .cache/s3/gated-ray
cat <<MESSAGE
S3 at http://127.0.0.1:$PORT, bucket gated-ray, files in .cache/s3. In another terminal:

  export AWS_ACCESS_KEY_ID=development AWS_SECRET_ACCESS_KEY=development AWS_DEFAULT_REGION=us-east-1
  $BIN/python -m jobs.sweep models=demo store=s3 store.url=s3://gated-ray/dataset store.endpoint_url=http://127.0.0.1:$PORT

Ctrl-C stops it.
MESSAGE
exec "$BIN/nanio" serve --data-dir .cache/s3 --host 127.0.0.1 --port "$PORT" --no-access-log --log-level warning

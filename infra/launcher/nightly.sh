#!/usr/bin/env bash
# nightly.sh CLUSTER_YAML: the cluster up, one pass over the Hub, the cluster down, whatever happened. For cron; needs `ray`
# on the PATH and the right to start machines. Exits 0 only if nothing failed in this pass.
set -euo pipefail
cd "$(dirname "$0")/../.."
config=$1

exec 9> ~/.gated-ray-nightly.lock
flock --nonblock 9 || { echo "the run before is not over, nothing to do"; exit 0; }

take_down() {
  local code=$?
  ray down --yes "$config" || {
    echo "ray down failed: machines may be left that cost money" >&2
    code=1
  }
  exit "$code"
}
trap take_down EXIT
ray up --yes "$config"
# No node says that it has GPUs before the first worker is asked for, so the workers and their GPUs are given here.
ray exec "$config" "ray job submit --address http://127.0.0.1:8265 -- \
  python -m jobs.watch watch=newest \
  store=s3 store.url=s3://my-bucket/gated-ray \
  cluster=cluster cluster.workers=8 cluster.gpus_per_worker=1 log=json"

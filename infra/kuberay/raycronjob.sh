#!/usr/bin/env bash
# Prints a RayCronJob that runs rayjob.yaml every night: the option beside schedule.yaml. infra/README.md says when to take it.
set -euo pipefail
cat <<'YAML'
apiVersion: ray.io/v1
kind: RayCronJob
metadata:
  name: gated-ray
  namespace: gated-ray
spec:
  schedule: "0 2 * * *"
  timeZone: Etc/UTC
  jobTemplate:
YAML
sed '1,/^spec:$/d; s/^\(.\)/  \1/' "$(dirname "$0")/rayjob.yaml"

#!/usr/bin/env bash
# start.sh RAYJOB_YAML: create the sweep's RayJob. One that is over is removed first, one that is not is left alone.
#
# KubeRay keeps a RayJob that is over, and its name with it: shutdownAfterJobFinishes takes down just the cluster. Exit code
# 1 asks the CronJob to try again. NAMESPACE is the pod's.
set -euo pipefail

manifest=$1
name=gated-ray-sweep

# Looked at and removed in two steps, so the removal is bound to this very object in this very state: whoever is quicker
# with a new one keeps it.
state=$(kubectl get rayjob "$name" --ignore-not-found --output \
  'jsonpath={.status.jobDeploymentStatus}|{.metadata.uid}|{.metadata.resourceVersion}|{.metadata.deletionTimestamp}')
IFS='|' read -r status uid version deleted <<<"$state"

if [[ -n $deleted ]]; then
  echo "$name is being removed; trying again"
  exit 1
fi
case ${uid:+${status:-New}} in
  "") ;; # there is none
  Complete | Failed | ValidationFailed)
    echo "removing $name, which is $status"
    printf '{"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Background","preconditions":{"uid":"%s","resourceVersion":"%s"}}' \
      "$uid" "$version" |
      kubectl delete --raw "/apis/ray.io/v1/namespaces/$NAMESPACE/rayjobs/$name" --filename - > /dev/null
    for look in {1..24}; do
      [[ $(kubectl get rayjob "$name" --ignore-not-found --output 'jsonpath={.metadata.uid}') == "$uid" ]] || break
      [[ $look -lt 24 ]] || { echo "$name does not go away: does the KubeRay operator run? trying again" >&2; exit 1; }
      sleep 5
    done
    ;;
  *)
    echo "$name is ${status:-New}: the sweep before is not over, nothing to do"
    exit 0
    ;;
esac

if answer=$(kubectl create --filename "$manifest" 2>&1); then
  echo "$answer"
elif [[ $answer == *AlreadyExists* ]]; then
  echo "$name was created by someone else in the meantime, nothing to do"
else
  echo "$answer" >&2
  exit 1
fi

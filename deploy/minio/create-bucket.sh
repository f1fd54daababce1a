#!/bin/sh
# Makes the bucket, and a user that may use this bucket and nothing else. May run again.
set -eu
until mc alias set store http://minio:9000 "$MINIO_ROOT_USER" "$MINIO_ROOT_PASSWORD"; do sleep 1; done
mc mb --ignore-existing store/zerostate
mc admin policy create store zerostate /policy.json
mc admin user add store zerostate "$MINIO_PASSWORD"
# It fails where the policy is attached already, so the last word is what the user has.
mc admin policy attach store zerostate --user zerostate || true
mc admin user info store zerostate | grep -q zerostate

#!/bin/sh
# Writes .env from .env.example, with a fresh secret wherever the example leaves one empty. Never touches a .env that is there.
set -eu
cd "$(dirname "$0")/.."
if [ -e .env ]; then
    echo ".env is there already; the databases were made with its passwords" >&2
    exit 1
fi
umask 077
while IFS= read -r line; do
    case $line in
        # Hexadecimal, for the passwords become parts of addresses.
        [A-Z]*_PASSWORD= | [A-Z]*_SECRET=) printf '%s%s\n' "$line" "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" ;;
        # 64 bytes as base64url.
        [A-Z]*_KEYS=) printf '%s%s\n' "$line" "$(head -c 64 /dev/urandom | base64 | tr -d '=\n' | tr '+/' '-_')" ;;
        *) printf '%s\n' "$line" ;;
    esac
done <.env.example >.env
echo "Wrote .env"

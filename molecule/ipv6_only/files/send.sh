#!/bin/sh
# send.sh SENDER RECIPIENT ID...: one mail for each ID, which is in its Message-ID.
set -eu
sender=$1 recipient=$2
shift 2
for id in "$@"; do
    printf 'Subject: %s\nMessage-ID: <%s@example.org>\n\nHello\n' "$id" "$id" | /usr/sbin/sendmail -f "$sender" "$recipient"
done

#!/bin/sh
# Tells what the guard of this host does, each line with the seconds since boot: armed (and the deadline), applied,
# gone (and what it says of the host), and then what the host is. It ends when the guard is gone, or after $1 seconds.
# Its functions "mend" (what the fault wants undone once the guard is gone) and "look" (look.sh) come before it.
directory=/var/lib/ipv6-rollout-guard
said=
read -r now rest </proc/uptime
end=$((${now%.*} + $1))
while [ "${now%.*}" -lt "$end" ]; do
    read -r now rest </proc/uptime
    case $said in
    '') if read -r deadline 2>/dev/null <$directory/deadline; then echo "armed $now $deadline"; said=armed; fi ;;
    *)
        if [ "$said" = armed ] && [ -e /run/fault-applied ]; then echo "applied $now"; said=applied; fi
        if [ ! -d $directory ]; then
            echo "gone $now"
            # On a full disk the note comes a moment later.
            [ -e $directory.result ] || sleep 0.3
            cat $directory.result 2>/dev/null
            mend
            look
            exit 0
        fi
        # Armed again, the deadline moves.
        if read -r later 2>/dev/null <$directory/deadline && [ "$later" != "$deadline" ]; then
            deadline=$later
            echo "armed $now $deadline"
        fi
        ;;
    esac
    sleep 0.1
done

#!/bin/sh
# A certificate authority for one afternoon: ca, server and client certificates, and a tls-crypt key.
set -eu
cd "$1"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 30 -subj /CN=lab-ca

issue() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$1"
    printf '%b' "$2" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile "$1.ext" -out "$1.crt"
}

issue server 'keyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n'
issue client 'keyUsage=digitalSignature\nextendedKeyUsage=clientAuth\n'
# What remote-cert-tls of the other end refuses, and what nobody named.
issue bare 'extendedKeyUsage=serverAuth\n'
issue stranger 'keyUsage=digitalSignature\nextendedKeyUsage=clientAuth\n'

{
    echo '-----BEGIN OpenVPN Static key V1-----'
    openssl rand -hex 256 | tr -d '\n' | fold -w 32
    echo
    echo '-----END OpenVPN Static key V1-----'
} >tls-crypt.key
touch 'done'

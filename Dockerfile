# Three images: the smarthost, HAProxy, and Redis with its Sentinel. HAProxy and Redis are Debian's own, the versions that
# the tests run. docker-compose.yml builds and runs them.

FROM node:20.20.2-bookworm-slim@sha256:2cf067cfed83d5ea958367df9f966191a942351a2df77d6f0193e162b5febfc0 AS build
WORKDIR /opt/connectors
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev
COPY README.md CHANGELOG.md ./
COPY bin bin
COPY src src
COPY plugins plugins
COPY docs docs
COPY deploy/greets deploy/greets

FROM node:20.20.2-bookworm-slim@sha256:2cf067cfed83d5ea958367df9f966191a942351a2df77d6f0193e162b5febfc0 AS smarthost
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates tini \
  && rm -rf /var/lib/apt/lists/* \
  && echo 'smarthost:x:10025:10025::/srv/smarthost:/usr/sbin/nologin' >> /etc/passwd \
  && echo 'smarthost:x:10025:' >> /etc/group \
  && mkdir -p /srv/smarthost/config /srv/smarthost/queue /srv/smarthost/data \
  && chown 10025:10025 /srv/smarthost/queue /srv/smarthost/data \
  && ln -s /opt/connectors/bin/connectorctl.js /usr/local/bin/connectorctl
COPY --from=build /opt/connectors /opt/connectors
WORKDIR /srv/smarthost
USER 10025:10025
ENTRYPOINT ["tini", "--"]
CMD ["node", "/opt/connectors/bin/connectorctl.js", "start"]

FROM debian:bookworm-20260824-slim@sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171 AS haproxy
# The capability lets a user who is not root listen on port 25 of the host's network.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends haproxy libcap2-bin tini \
  && rm -rf /var/lib/apt/lists/* \
  && setcap cap_net_bind_service=+ep /usr/sbin/haproxy
COPY deploy/greets /opt/connectors/deploy/greets
USER 10027:10027
ENTRYPOINT ["tini", "--"]
CMD ["haproxy", "-db", "-f", "/etc/haproxy/haproxy.cfg"]

FROM debian:bookworm-20260824-slim@sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171 AS redis
RUN apt-get update \
  && apt-get install --yes --no-install-recommends redis-server redis-sentinel tini \
  && rm -rf /var/lib/apt/lists/* \
  && mkdir -p /data \
  && chown 10026:10026 /data
COPY deploy/redis/start /opt/connectors/deploy/redis/start
USER 10026:10026
ENTRYPOINT ["tini", "--"]
CMD ["/opt/connectors/deploy/redis/start", "server"]

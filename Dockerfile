# syntax=docker/dockerfile:1
# Two stages: the compiler, then a base with a C library, certificates and nothing else: no shell,
# no package manager, no root. The root file system can be read-only; /data is all that is written.
#
#   docker build -t wicketgate .
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges \
#     -v wicketgate-data:/data -v ./wicketgate.yaml:/etc/wicketgate/wicketgate.yaml:ro \
#     -p 8080:8080 wicketgate
#
# The configuration must listen on 0.0.0.0:8080 to be reached from outside the container, and keep
# its database and master key below /data (or be given the key as a mounted secret).

FROM rust:1.95-bookworm AS build
WORKDIR /source
# Dependencies first: they change less often than the source, so this layer is mostly kept.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src tests/it \
 && echo 'fn main() {}' | tee src/main.rs tests/it/main.rs tests/architecture.rs >/dev/null \
 && touch src/lib.rs \
 && cargo build --release --locked \
 && rm -rf src tests
COPY . .
# The stand-ins above are newer than the sources that replace them.
RUN touch src/main.rs src/lib.rs \
 && cargo build --release --locked \
 && install -D -m 0755 target/release/wicketgate /out/usr/bin/wicketgate \
 && install -d -m 0700 /out/data

FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="wicketgate" \
      org.opencontainers.image.description="A standalone remote MCP gateway" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /out/usr/bin/wicketgate /usr/bin/wicketgate
COPY --from=build --chown=nonroot:nonroot /out/data /data
USER nonroot
WORKDIR /data
VOLUME /data
ENV WICKETGATE_CONFIG=/etc/wicketgate/wicketgate.yaml
# 8080: MCP. The admin listener (health, metrics) stays on loopback inside the container.
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 CMD ["/usr/bin/wicketgate", "health"]
ENTRYPOINT ["/usr/bin/wicketgate"]
CMD ["serve"]

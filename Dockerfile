# The one binary, and the load test beside it.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --profile dist --locked --package parlor --package parlor-loadtest \
        --features parlor/jemalloc \
    && install -D -t /out target/dist/parlor target/dist/parlor-loadtest

FROM debian:bookworm-slim
# A user of its own; nothing is written but through the log and the store.
RUN useradd --system --no-create-home --uid 10001 parlor
COPY --from=build /out/ /usr/local/bin/
# The roots against which a server of tls:// is checked where nats.ca_file names none; the slim image has none.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER parlor
EXPOSE 8080 8081
ENTRYPOINT ["parlor"]

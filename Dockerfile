# Images with magicpak in them, from this checkout:
#
#   docker build --target magicpak -t magicpak .
#     nothing but the file /magicpak, to copy it from
#   docker build --build-arg BASE_IMAGE=debian:trixie -t magicpak/debian:trixie .
#     an image based on Debian or Ubuntu, with magicpak and all that it can use

ARG BASE_IMAGE=debian:bookworm

# The glibc and the Python of Debian 12 are those that end up in the file.
FROM debian:bookworm-slim AS build

RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      gcc libc6-dev libpython3-dev python3-pip zlib1g-dev \
 && rm -rf /var/lib/apt/lists/*

COPY src /src
# In a directory by architecture, so that a release can give files that are built already in the
# place of this stage, for several platforms. Without BuildKit, which sets this, it is the root.
ARG TARGETARCH
RUN mkdir -p "/$TARGETARCH" \
 && cd "/$TARGETARCH" \
 && python3 /src/standalone/build.py magicpak magicpak.cdx.json magicpak.spdx.json


FROM scratch AS magicpak

ARG TARGETARCH
COPY --from=build /${TARGETARCH}/magicpak /magicpak

ENTRYPOINT ["/magicpak"]


FROM ${BASE_IMAGE}

# A base image may bring a compiler of its own. Debian 12 has upx among its backports only, which
# are on the mirror that the image has.
RUN set -e; \
    . /etc/os-release; \
    apt-get update; \
    if [ "$VERSION_CODENAME" = bookworm ]; then \
      mirror=$(apt-get indextargets --format '$(REPO_URI)' \
        'Created-By: Packages' 'Codename: bookworm' 'Component: main' | head -n 1); \
      echo "deb $mirror bookworm-backports main" > /etc/apt/sources.list.d/backports.list; \
      apt-get update; \
    fi; \
    compiler=; \
    command -v cc > /dev/null || compiler="gcc libc6-dev"; \
    apt-get install -y --no-install-recommends busybox-static strace upx-ucl $compiler; \
    rm -rf /var/lib/apt/lists/*

ARG TARGETARCH
COPY --from=build /${TARGETARCH}/magicpak /usr/bin/magicpak

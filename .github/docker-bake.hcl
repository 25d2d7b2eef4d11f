# The images of a release: VERSION=2.0.0 docker buildx bake --file .github/docker-bake.hcl
#
# They get the files built/amd64/magicpak and built/arm64/magicpak, which the workflow has built.

variable "VERSION" {}

# Whose names the images get: the one place for it.
variable "PREFIX" {
  default = "magicpak"
}

group "default" {
  targets = ["magicpak", "tools"]
}

target "common" {
  context   = "."
  platforms = ["linux/amd64", "linux/arm64"]
  # In the place of the Dockerfile's stage of this name, so that nothing is built a second time.
  contexts = {
    build = "built"
  }
}

# Nothing but the file /magicpak.
target "magicpak" {
  inherits = ["common"]
  target   = "magicpak"
  tags     = ["${PREFIX}/magicpak:latest", "${PREFIX}/magicpak:${VERSION}"]
}

# What a build stage can start from: with magicpak and all that it can use.
target "tools" {
  name     = "${image.name}-${replace(image.tag, ".", "-")}"
  inherits = ["common"]
  matrix = {
    image = [
      { name = "debian", base = "debian", tag = "latest" },
      { name = "debian", base = "debian", tag = "trixie" },
      { name = "debian", base = "debian", tag = "bookworm" },
      { name = "debian", base = "debian", tag = "bullseye" },
      { name = "rust", base = "rust", tag = "latest" },
      { name = "rust", base = "rust", tag = "1" },
      { name = "cc", base = "gcc", tag = "latest" },
      { name = "cc", base = "gcc", tag = "15" },
      { name = "cc", base = "gcc", tag = "14" },
      { name = "haskell", base = "haskell", tag = "latest" },
      { name = "haskell", base = "haskell", tag = "9" },
    ]
  }
  args = {
    BASE_IMAGE = "${image.base}:${image.tag}"
  }
  tags = [
    "${PREFIX}/${image.name}:${image.tag}",
    "${PREFIX}/${image.name}:${image.tag == "latest" ? "" : "${image.tag}-"}magicpak${VERSION}",
  ]
}

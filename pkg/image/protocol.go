package image

// Protocol is what sandbox says first to sandbox-image, so that neither takes the other's words for something else.
const Protocol = "1"

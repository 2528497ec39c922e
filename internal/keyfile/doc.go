// Package keyfile keeps the one secret from which every other is derived, and
// seals what must not lie on disk in the clear. It owns the key file, the names
// of its sub-keys and the form of a sealed value.
// It does not know what it seals, and imports no room.
package keyfile

// Package testmx is a mail host for tests and benchmarks: a real listener that
// takes mail, remembers what came and how, and misbehaves at any stage as it is
// told. It owns its side of the dialogue and nothing else.
// It imports no room, so that it cannot share a mistake with the code under test.
package testmx

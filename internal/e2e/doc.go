// Package e2e holds the end-to-end tests: the real program beside software that
// nobody here wrote. They are built with the tag e2e and run by make e2e. It
// imports no room.
package e2e

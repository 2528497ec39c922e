// Package sesv2 is version 2 of the SES interface: JSON over paths and methods. It
// is a branch of api. An operation is one file with its request, its result and
// its handler, and one line in the table of routes.go.
package sesv2

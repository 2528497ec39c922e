// Package ses is version 1 of the SES interface, by the Query protocol (api/query).
// It is a branch of api. An operation is one file with its request, its result and
// its handler, and one line in the table of routes.go.
package ses

// Package api is HTTP: what talks to sesame other than by SMTP. It owns what both
// versions of the SES interface share: the door that authenticates a call and
// bounds it, bodies, errors, pages, and the sending of mail. Branches: ses and
// sesv2, the two interfaces; admin, the operator's commands; public, the pages for
// people outside.
//
// To add an operation, write its request and result as structs with SES's names and
// its handler in a file of its own, and give it its line in the table of routes.go;
// the error of a handler is an *Error or one that Explain knows. Then go test ./api
// -update writes the answer into its goldens and docs/api-coverage.md anew.
//
// It holds no logic of mail: it calls a book, the queue or the submission desk.
package api

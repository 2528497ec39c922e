// Package api is HTTP: what talks to sesame other than by SMTP. It owns what both
// versions of the SES interface share: the door that authenticates a call and
// bounds it, bodies, errors, pages, and the sending of mail. Branches: ses and
// sesv2, the two interfaces; admin, the operator's commands; public, the pages for
// people outside.
// It holds no logic of mail: it calls a book, the queue or the submission desk.
package api

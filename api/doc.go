// Package api is HTTP: what talks to sesame other than by SMTP. Branches: admin,
// the operator's commands, and public, the pages for people outside.
// It holds no logic of mail: it calls a book, the queue or the submission desk.
package api

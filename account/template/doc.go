// Package template keeps the mail templates of accounts and fills them. It is a
// branch of account, and owns what a template is, its bounds, and where its labels
// change how it works.
// It does not know who asks, nor what becomes of a filled template.
package template

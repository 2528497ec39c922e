// Package verp makes and reads variable envelope return paths: reverse-paths that
// say, when something comes back to them, which message it is about. The local
// part is the message id, which authenticates itself (mail.Minter.Verify).
// It is a part of mail. It knows no key, and not which domains are ours.
package verp

import "github.com/sesame-mta/sesame/mail"

// Address gives the reverse-path of a message under a domain.
func Address(id mail.ID, domain string) (mail.Address, error) {
	return mail.ParseAddress(id.String() + "@" + domain)
}

// ID gives the message that an address belongs to, if it has the form of such a
// reverse-path. Case does not matter: hosts on the way have changed it. That the
// id was made by us is the caller's to verify.
func ID(a mail.Address) (mail.ID, bool) {
	id, err := mail.ParseID(a.Local())
	return id, err == nil
}

// length is that of a message id in its text form.
const length = 60

// Find gives the message ids that stand in a text, the first limit of them, each
// once. None of them is verified.
func Find(text []byte, limit int) []mail.ID {
	var found []mail.ID
	seen := make(map[mail.ID]bool)
	for i := 0; i+length <= len(text) && len(found) < limit; i++ {
		if text[i] != mail.IDPrefix[0] || text[i+16] != '-' {
			continue
		}
		id, err := mail.ParseID(string(text[i : i+length]))
		if err != nil || seen[id] {
			continue
		}
		seen[id] = true
		found = append(found, id)
		i += length - 1
	}
	return found
}

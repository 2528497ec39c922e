package dkim_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/dkim"
)

func ExampleSign() {
	private, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		fmt.Println(err)
		return
	}
	key := &dkim.Key{Domain: "example.com", Selector: "s1", Algorithm: dkim.Ed25519, Private: private}
	header := []byte("From: ann@example.com\r\nSubject: hello\r\n\r\n")
	field, err := dkim.Sign(header, strings.NewReader("Hello.\r\n"), []*dkim.Key{key}, time.Unix(1762448770, 0))
	first, _, _ := strings.Cut(string(field), "\r\n")
	fmt.Println(first, err)
	fmt.Println(key.Record())
	// Output:
	// DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; <nil>
	// s1._domainkey.example.com
}

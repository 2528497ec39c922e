package mail_test

import (
	"fmt"

	"github.com/sesame-mta/sesame/mail"
)

func ExampleRefuse() {
	r := mail.Refuse(554, 7, 1, "Account is paused")
	fmt.Println(r, r.Temporary())
	// Output: 554 5.7.1 Account is paused false
}

func ExampleParseAddress() {
	a, err := mail.ParseAddress(`"ann@example.net"@Example.COM`)
	fmt.Println(a, a.Domain(), err)
	_, err = mail.ParseAddress("ann@example.net@example.com")
	fmt.Println(err)
	// Output:
	// "ann@example.net"@example.com example.com <nil>
	// Domain contains illegal character
}

func ExampleCutStatus() {
	status, text := mail.CutStatus("5.1.1 no such user")
	fmt.Println(status, text)
	// Output: 5.1.1 no such user
}

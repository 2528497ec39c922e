package message_test

import (
	"fmt"

	"github.com/sesame-mta/sesame/mail/message"
)

func ExampleScan() {
	section := []byte("From: Ann <ann@example.com>\r\nBcc: bob@example.net\r\n\r\n")
	s, err := message.Scan(section)
	if err != nil {
		fmt.Println(err)
		return
	}
	from, _ := s.Get("from")
	list, err := message.Addresses(from.Value())
	fmt.Println(list[0].Domain(), err)

	edit := message.Edit{Prefix: message.Field("X-Hop", "1"), Drop: s.Spans("Bcc")}
	fmt.Printf("%q\n", edit.Apply(section))
	// Output:
	// example.com <nil>
	// "X-Hop: 1\r\nFrom: Ann <ann@example.com>\r\n\r\n"
}

func ExampleAddresses() {
	_, err := message.Addresses(`"ann@example.com" <bob@example.net>, carol`)
	fmt.Println(err)
	// Output: Missing final '@domain'
}

package reputation_test

import (
	"fmt"
	"os"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/reputation"
	"github.com/sesame-mta/sesame/mail"
)

func ExampleBook() {
	dir, err := os.MkdirTemp("", "reputation")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	book, err := reputation.Open(reputation.Options{Dir: dir, Accounts: &accounts{byID: map[string]account.Account{id: {ID: id}}}})
	if err != nil {
		panic(err)
	}
	to, err := mail.ParseAddress("gone@example.net")
	if err != nil {
		panic(err)
	}
	book.Observe(reputation.Sender{Account: id, Accepted: time.Now()},
		reputation.Fact{Outcome: reputation.Delivered, To: to},
		reputation.Fact{Outcome: reputation.Bounced, BounceType: "Permanent", To: to})
	r := book.Rating(reputation.Subject{Account: id, Kind: reputation.Account})
	fmt.Println(r.State, r.Bounces.Bad, "of", r.Bounces.Mails)
	// Output: healthy 1 of 2
}

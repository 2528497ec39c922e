package bolt_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/store/bolt"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "spool")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	spool, err := bolt.Open(bolt.Options{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer spool.Close()

	ctx := context.Background()
	minter, _ := mail.NewMinter(make([]byte, 32), spool.Lane(), spool.Epoch())
	to, _ := mail.ParseForwardPath("user@example.org")
	draft, _ := spool.Draft(ctx)
	defer draft.Discard()
	_, _ = io.WriteString(draft, "Subject: hello\r\n\r\nhello\r\n")
	now := time.Now()
	id, err := spool.Append(ctx, queue.Submission{
		Message: queue.Message{
			ID: minter.New(now), Account: "000000000001", To: []mail.ForwardPath{to},
			Accepted: now, Size: draft.Size(),
		},
		Content: draft, Due: now, MaxAge: 96 * time.Hour,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, entries, _ := spool.Load(ctx, id, nil)
	fmt.Println(entries[0].To.Path(), entries[0].State, spool.Depth().Messages)
	// Output: <user@example.org> queued 1
}

package queue_test

import (
	"context"
	"fmt"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/queue/queuetest"
)

func Example() {
	ctx := context.Background()
	q := queue.New(queue.Options{
		Spool:    &queuetest.Spool{},
		Unrouted: func(domain string) { fmt.Println("where is", domain) },
		Ready:    func(site string) { fmt.Println("work for", site) },
	})
	minter, _ := mail.NewMinter([]byte("only an example."), 0, 1)
	ann, _ := mail.ParseForwardPath("ann@example.org")
	now := q.Now()
	_, err := q.Append(ctx, queue.Submission{
		Message: queue.Message{ID: minter.New(now), Account: "000000000001", To: []mail.ForwardPath{ann}, Accepted: now},
		Content: queuetest.NewDraft("Subject: hello\r\n\r\nHello.\r\n"),
		Due:     now,
		MaxAge:  4 * 24 * time.Hour,
	})
	if err != nil {
		fmt.Println(err)
	}
	q.Assign("example.org", "mx.example.org")
	lease := q.Take(ctx, "mx.example.org")
	fmt.Println("try", lease.Entries[0].To.Path())
	err = q.Settle(ctx, lease, []queue.Settled{{N: 0, Result: mail.Delivered}}, nil)
	fmt.Println(err, q.Depth().Recipients)
	// Output:
	// where is example.org
	// work for mx.example.org
	// try <ann@example.org>
	// <nil> 0
}

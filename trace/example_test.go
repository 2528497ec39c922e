package trace_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/trace"
)

func Example() {
	dir, err := os.MkdirTemp("", "trace")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	r, err := trace.Open(trace.Options{Dir: dir})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()

	m, err := mail.NewMinter([]byte("0123456789abcdef"), 0, 1)
	if err != nil {
		panic(err)
	}
	id := m.New(time.Now())
	r.Add(&trace.Record{Kind: trace.Accepted, Time: time.Now(), ID: id, From: "ann@example.org", To: []string{"bob@example.net"}})
	r.Add(&trace.Record{Kind: trace.Changed, Time: time.Now(), ID: id, Text: "held by the operator"})

	stories, err := r.Find(ctx, trace.Query{To: "bob@example.net"})
	if err != nil {
		panic(err)
	}
	for _, rec := range stories[0].Records {
		fmt.Printf("%s %v %q\n", rec.Kind, rec.To, rec.Text)
	}
	cancel()
	if err := <-done; err != nil {
		panic(err)
	}
	if err := r.Close(); err != nil {
		panic(err)
	}
	// Output:
	// accepted [bob@example.net] ""
	// changed [] "held by the operator"
}

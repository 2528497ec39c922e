package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// maxLargeRSS is the most memory that many large messages at once may take, in MB.
const maxLargeRSS = 500

// runLarge sends many messages with large attachments by the API, all at once, and
// measures the memory of the server meanwhile.
func runLarge(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("large", flag.ContinueOnError)
	binary := f.String("sesame", "bin/sesame", "the program to measure")
	sends := f.Int("sends", 500, "messages at once")
	size := f.Int("size", 10<<20, "octets of an attachment")
	if err := f.Parse(args); err != nil {
		return err
	}
	fmt.Printf("machine: %s\n", machine())
	c, err := enter(ctx, "sesame", *binary, "")
	if err != nil {
		return err
	}
	defer c.leave()
	key, err := c.keys(ctx)
	if err != nil {
		return err
	}
	// All clients share one body: the memory of the machine is for the server.
	var body bytes.Buffer
	body.WriteString(`{"FromEmailAddress":"bench@example.com","Destination":{"ToAddresses":["r0@example.net"]},"Content":{"Simple":{` +
		`"Subject":{"Data":"large"},"Body":{"Text":{"Data":"see there"}},"Attachments":[{"FileName":"a.bin","RawContent":"`)
	body.WriteString(base64.StdEncoding.EncodeToString(make([]byte, *size)))
	body.WriteString(`"}]}}}`)
	header := func() []byte { return key.Header(c.api, body.Bytes(), time.Now()) }

	start := time.Now()
	group, groupCtx := errgroup.WithContext(ctx)
	var together sync.WaitGroup // all are connected before one sends
	together.Add(*sends)
	for range *sends {
		group.Go(func() error { return large(groupCtx, c.api, header, body.Bytes(), &together) })
	}
	err = group.Wait()
	took := time.Since(start)
	if err == nil {
		err = c.sink.WaitFor(ctx, int64(*sends))
	}
	if err != nil {
		return err
	}
	used, err := treeUsage(c.process.PID())
	if err != nil {
		return err
	}
	mb := used.peak >> 20
	fmt.Printf("%d messages of %d octets accepted in %.1f s, delivered in %.1f s; at most %d MB\n",
		*sends, *size, took.Seconds(), time.Since(start).Seconds(), mb)
	if mb > maxLargeRSS {
		return fmt.Errorf("more than %d MB", maxLargeRSS)
	}
	return nil
}

// large sends one message.
func large(ctx context.Context, addr string, header func() []byte, body []byte, together *sync.WaitGroup) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	together.Done()
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	together.Wait()
	if _, err := conn.Write(header()); err != nil {
		return err
	}
	_, sendErr := conn.Write(body)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil) // it may say why
	if err != nil {
		return errors.Join(sendErr, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status + " " + string(text))
	}
	return err
}

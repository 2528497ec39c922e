package testmx_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/internal/testmx"
)

func Example() {
	mx, err := testmx.New(testmx.Options{
		Script: testmx.On(testmx.Connect, testmx.Action{Text: "220 mx.example.org hello"}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer mx.Close()
	// A client that nobody here wrote.
	err = smtp.SendMail(mx.Addr().String(), nil, "ann@example.com", []string{"bob@example.org"}, []byte("Subject: hi\r\n\r\n.dot\r\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	messages, err := mx.Wait(ctx, 1)
	fmt.Printf("%q to %v, %v\n", messages[0].Data, messages[0].To, err)
	// Output: "Subject: hi\r\n\r\n.dot\r\n" to [bob@example.org], <nil>
}

func TestAScriptIsAskedAtEachStage(t *testing.T) {
	for _, stage := range []testmx.Stage{testmx.Connect, testmx.Hello, testmx.Mail, testmx.Rcpt, testmx.Data, testmx.Content} {
		mx, err := testmx.New(testmx.Options{Script: testmx.On(stage, testmx.Action{Text: "554 5.0.0 " + stage.String()})})
		if err != nil {
			t.Fatal(err)
		}
		err = smtp.SendMail(mx.Addr().String(), nil, "ann@example.com", []string{"bob@example.org"}, []byte("Subject: hi\r\n\r\n"))
		var refused *textproto.Error
		if !errors.As(err, &refused) || refused.Code != 554 || refused.Msg != "5.0.0 "+stage.String() {
			t.Errorf("%s: %v", stage, err)
		}
		if mx.Count() != 0 {
			t.Errorf("%s: a message was taken", stage)
		}
		mx.Close()
	}
}

func TestCloseEndsConnectionsThatHang(t *testing.T) {
	for _, do := range []testmx.Deed{testmx.Hang, testmx.Stall, testmx.Drip, testmx.Endless} {
		mx, err := testmx.New(testmx.Options{Script: testmx.On(testmx.Connect, testmx.Action{Do: do})})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", mx.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { mx.Close(); close(done) }()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			t.Errorf("deed %d: Close hangs", do)
		}
		_ = conn.Close()
	}
}

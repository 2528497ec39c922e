package report_test

import (
	"bytes"
	"fmt"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/report"
)

func ExampleDSN_Compose() {
	sender, _ := mail.ParseForwardPath("ann@example.com")
	failed, _ := mail.ParseForwardPath("bob@example.net")
	d := report.DSN{
		Domain: "mail.example.com", ReportingMTA: "mx1.example.com", To: sender,
		Recipients: []report.Recipient{{
			To: failed, Host: "mx.example.net", Remote: true, Reply: *mail.Refuse(550, 1, 1, "No such user"),
		}},
	}
	_, body := d.Compose()
	for line := range bytes.Lines(body) {
		if bytes.HasPrefix(line, []byte("Diagnostic-Code")) {
			fmt.Println(string(bytes.TrimSpace(line)))
		}
	}
	// Output: Diagnostic-Code: smtp; 550 5.1.1 No such user
}

func ExampleRead() {
	in, err := report.Read([]byte("From: MAILER-DAEMON@example.org\r\nSubject: failure notice\r\n\r\n" +
		"Hi. This is the qmail-send program at example.org.\r\n\r\n" +
		"<bob@example.net>:\r\n192.0.2.1 does not like recipient.\r\nRemote host said: 550 5.1.1 No such user\r\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range in.Recipients {
		fmt.Println(in.Kind, r.To, r.Action, r.Reply.String())
	}
	// Output: bounce bob@example.net failed 550 5.1.1 No such user
}

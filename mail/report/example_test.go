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

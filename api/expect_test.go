package api_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A client that waits for word before it sends a large body (curl does) is told at
// once that nobody wants it.
func TestABodyThatIsAskedForFirstIsNotSentInVain(t *testing.T) {
	address := strings.TrimPrefix(newHouse(t).listening(t), "http://")
	for name, field := range map[string]string{
		"without a signature": "X-Nothing: x",
		"with a key that nobody has": "X-Amz-Date: 20261122T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 " +
			"Credential=AKIANONE/20261122/local-1/ses/aws4_request, SignedHeaders=host;x-amz-date, Signature=00",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(c, "POST /v2/email/outbound-emails HTTP/1.1\r\nHost: x\r\nContent-Length: 40000000\r\nExpect: 100-continue\r\n%s\r\n\r\n", field)
			a, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			if a.StatusCode != http.StatusForbidden || !a.Close {
				t.Errorf("%s, and the connection ends: %t", a.Status, a.Close)
			}
			_ = a.Body.Close()
		})
	}
}

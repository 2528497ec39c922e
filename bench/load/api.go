package load

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// API says how to send by version 2 of the HTTP API of SES, SendEmail with a raw
// message, in the place of SMTP.
type API struct {
	Region, KeyID, Secret string
}

// sendPath is that of SendEmail.
const sendPath = "/v2/email/outbound-emails"

// Header gives the header of a call with a body, signed.
func (a API) Header(host string, body []byte, now time.Time) (header []byte) {
	s := signer{API: a}
	return s.header(host, body, now)
}

// signer signs requests. The key of a day is made once.
type signer struct {
	API
	day string
	key []byte
}

func sum(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// header gives the header of a request with a body.
func (s *signer) header(host string, body []byte, now time.Time) []byte {
	stamp := now.UTC().Format("20060102T150405Z")
	if day := stamp[:8]; s.day != day {
		s.day, s.key = day, sum(sum(sum(sum([]byte("AWS4"+s.Secret), day), s.Region), "ses"), "aws4_request")
	}
	const names = "content-type;host;x-amz-date"
	hash := sha256.Sum256(body)
	canonical := sha256.Sum256([]byte("POST\n" + sendPath + "\n\ncontent-type:application/json\nhost:" + host +
		"\nx-amz-date:" + stamp + "\n\n" + names + "\n" + hex.EncodeToString(hash[:])))
	scope := s.day + "/" + s.Region + "/ses/aws4_request"
	signature := sum(s.key, "AWS4-HMAC-SHA256\n"+stamp+"\n"+scope+"\n"+hex.EncodeToString(canonical[:]))
	return []byte("POST " + sendPath + " HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/json\r\nX-Amz-Date: " + stamp +
		"\r\nAuthorization: AWS4-HMAC-SHA256 Credential=" + s.KeyID + "/" + scope + ", SignedHeaders=" + names +
		", Signature=" + hex.EncodeToString(signature) + "\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n")
}

// call makes one call, and reports whether the message was accepted, and when the
// last octet was sent.
func (w *worker) call(header []byte) (accepted bool, sent time.Time, err error) {
	b := bytes.NewBuffer(w.buf[:0])
	b.WriteString(`{"FromEmailAddress":"` + w.who.From + `","Destination":{"ToAddresses":[`)
	for i := range w.o.Recipients {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + w.rcpt(i) + `"`)
	}
	b.WriteString(`]},"Content":{"Raw":{"Data":"`)
	b.WriteString(base64.StdEncoding.EncodeToString(append(header, w.fill...)))
	b.WriteString(`"}}}`)
	w.buf = b.Bytes()
	if w.signer == nil {
		w.signer = &signer{API: *w.o.API}
	}
	if _, err := w.conn.Write(append(w.signer.header(w.o.Addr, w.buf, time.Now()), w.buf...)); err != nil {
		return false, sent, err
	}
	sent = time.Now()
	status, body, err := w.answer()
	if err != nil {
		return false, sent, err
	}
	if status != 200 {
		w.refused++
		w.refusal = strconv.Itoa(status) + " " + body
	}
	return status == 200, sent, nil
}

// maxAnswer bounds the body of an answer.
const maxAnswer = 64 << 10

// answer reads an answer whose length is given, as sesame gives it.
func (w *worker) answer() (status int, body string, err error) {
	line, err := w.reply()
	if err != nil {
		return 0, "", err
	}
	_, rest, _ := strings.Cut(line, " ")
	if len(rest) < 3 {
		return 0, "", fmt.Errorf("bad answer %q", line)
	}
	if status, err = strconv.Atoi(rest[:3]); err != nil {
		return 0, "", fmt.Errorf("bad answer %q", line)
	}
	length := 0
	for {
		b, err := w.r.ReadSlice('\n')
		if err != nil {
			return 0, "", err
		}
		name, value, _ := strings.Cut(strings.TrimRight(string(b), "\r\n"), ":")
		if name == "" {
			break
		}
		if strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil || length < 0 || length > maxAnswer {
				return 0, "", fmt.Errorf("answer of %q octets", value)
			}
		}
	}
	text := make([]byte, length)
	_, err = io.ReadFull(w.r, text)
	return status, string(text), err
}

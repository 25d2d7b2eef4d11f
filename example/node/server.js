// Turns words round: GET /reverse/WORD.
const express = require('express');

const app = express();
app.get('/reverse/:word', (request, response) => {
  response.json({ reversed: [...request.params.word].reverse().join('') });
});
process.on('SIGTERM', () => process.exit());
app.listen(8000);

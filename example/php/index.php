<?php
// Writes a word in capitals: GET /?word=straße.
header('Content-Type: application/json');
echo json_encode(['upper' => mb_strtoupper($_GET['word'] ?? '')], JSON_UNESCAPED_UNICODE);

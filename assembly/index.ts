// Exports of the WebAssembly module. Each file's header documents its kernels' operands.
export { multiplyShared, packShared, setScratch, setTile } from "./gemm";
export { tile6x16, tile6x8, tile4x8 } from "./tiles";
export { sumRows } from "./matmul";
export { dotFour, dotFourBf16, fewRows, matmulFewRows, matmulFewRowsBf16 } from "./few-rows";
export { widenBf16 } from "./bfloat16";
export { adamw } from "./adamw";
export { embeddingBackward, embeddingForward, embeddingForwardBf16 } from "./embedding";
export { geluBackward, geluErfBackward, geluErfForward, geluForward } from "./gelu";
export { layernormBackward, layernormForward } from "./layernorm";
export { chunkSize, combine, sumChunks, sumSquares } from "./norm";
export { benchCopy, benchRead, benchTriad } from "./bench";
export { benchFma128, benchFma256 } from "./fma";
export { isFused } from "./probe";
export { fill, residualForward } from "./residual";
export { rotary } from "./rotary";
export { attentionForward, attentionBackward, scratchBytes, softmaxRow, softmaxRowBackward, weightedSum32 } from "./attention";
export { softmaxLoss } from "./crossentropy";
export * from "./constants";

# Completion of mlx for PowerShell 5 or newer; `mlx completion install` says how to load it.

Register-ArgumentCompleter -Native -CommandName mlx -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        Select-Object -Skip 1 | ForEach-Object { $_.ToString().Trim('"', "'") })
    # An empty argument would be lost on the way; the blank before the word is taken off again.
    $words += " $($wordToComplete.Trim('"', "'"))"
    $before = $env:_MLX_COMPLETE
    $env:_MLX_COMPLETE = 'powershell'
    try {
        $answer = @(& $commandAst.CommandElements[0].ToString() @words 2>$null)
    } finally {
        $env:_MLX_COMPLETE = $before
    }
    $answer | Select-Object -Skip 1 | ForEach-Object {
        $value, $help = $_ -split "`t", 2
        if (-not $help) { $help = $value }
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $help)
    }
}
